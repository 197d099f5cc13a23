"""What an experiment runs against: processes, emulators, a disk, and customers who keep what they get."""
