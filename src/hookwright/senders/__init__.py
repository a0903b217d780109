"""What fits the port `hookwright.sender`: one module per way out."""
