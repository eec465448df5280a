"""What the kernel series costs, in instructions, compared with the stock kernel."""
