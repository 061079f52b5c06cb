// One visitor by RudderStack's Node SDK.
const RudderAnalytics = require("@rudderstack/rudder-sdk-node");

const [host, writeKey, user] = process.argv.slice(2);
const failed = (error) => {
  if (error) {
    console.error("not taken:", error.message);
    process.exit(1);
  }
};
const analytics = new (RudderAnalytics.default || RudderAnalytics)(writeKey, { dataPlaneUrl: host, flushAt: 100 });
const [anonymousId, old] = [`visitor-${user}`, `old-${user}`];
analytics.track({ anonymousId, event: "Product Viewed", properties: { sku: "a-1" } }, failed);
analytics.identify({ userId: user, anonymousId, traits: { email: `${user}@example.org`, plan: "pro" } }, failed);
const properties = { revenue: 39.95, products: [{ sku: "a-1" }] };
analytics.track({ userId: user, event: "Order Completed", properties }, failed);
analytics.page({ userId: user, category: "Docs", name: "Home", properties: { path: "/" } }, failed);
analytics.screen({ userId: user, name: "Cart" }, failed);
analytics.group({ userId: user, groupId: "acme", traits: { name: "Acme" } }, failed);
analytics.track({ userId: old, event: "Order Completed", properties: { revenue: 5 } }, failed);
analytics.alias({ userId: user, previousId: old }, (error) => {
  failed(error);
  process.exit(0);
});
analytics.flush();
