"""The tests below `guest/` are for the guest: `test_guests.py` takes them there."""

collect_ignore = ["guest"]
