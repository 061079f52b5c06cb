"""One visitor by RudderStack's Python SDK."""
import sys

import rudderstack.analytics as analytics

host, write_key, user = sys.argv[1:]
analytics.write_key, analytics.dataPlaneUrl, analytics.gzip = write_key, host, True


def failed(error, items):
    raise SystemExit(f"{len(items)} calls were not taken: {error}")


analytics.on_error = failed
visitor, old = f"visitor-{user}", f"old-{user}"
analytics.track(anonymous_id=visitor, event="Product Viewed", properties={"sku": "a-1"})
analytics.identify(user, {"email": f"{user}@example.org", "plan": "pro"}, anonymous_id=visitor)
analytics.track(user, "Order Completed", {"revenue": 39.95, "products": [{"sku": "a-1", "quantity": 2}]})
analytics.page(user, "Docs", "Home", {"path": "/"})
analytics.screen(user, "App", "Cart", {})
analytics.group(user, "acme", {"name": "Acme"})
analytics.track(old, "Order Completed", {"revenue": 5})
analytics.alias(old, user)
analytics.flush()
analytics.shutdown()
