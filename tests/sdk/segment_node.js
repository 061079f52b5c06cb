// One visitor by Segment's Node SDK.
const { Analytics } = require("@segment/analytics-node");

const [host, writeKey, user] = process.argv.slice(2);
const analytics = new Analytics({ writeKey, host, maxRetries: 5 });
analytics.on("error", (error) => {
  console.error("not taken:", error);
  process.exit(1);
});
const [anonymousId, old] = [`visitor-${user}`, `old-${user}`];
analytics.track({ anonymousId, event: "Product Viewed", properties: { sku: "a-1" } });
analytics.identify({ userId: user, anonymousId, traits: { email: `${user}@example.org`, plan: "pro" } });
analytics.track({ userId: user, event: "Order Completed", properties: { revenue: 39.95, products: [{ sku: "a-1" }] } });
analytics.page({ userId: user, category: "Docs", name: "Home", properties: { path: "/" } });
analytics.screen({ userId: user, name: "Cart" });
analytics.group({ userId: user, groupId: "acme", traits: { name: "Acme" } });
analytics.track({ userId: old, event: "Order Completed", properties: { revenue: 5 } });
analytics.alias({ userId: user, previousId: old });
analytics.closeAndFlush({ timeout: 30000 });
