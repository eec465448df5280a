"""The session service: answers logins on the system bus and remembers who is confined."""
