"""What goes out: answers, problems, schemas, events."""
