"""What the kernel series and a session cost, in instructions."""
