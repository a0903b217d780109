"""What fits `hookwright.sandbox`: a few processes, in which scripts run one at a time, each in a child of its own."""
