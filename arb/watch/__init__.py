"""The companion of an engine: it sends alerts to a person, and reports an engine that gives no sign."""
