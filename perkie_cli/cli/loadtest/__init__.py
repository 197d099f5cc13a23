"""What ``load-test`` prints, and its command for chaos experiments."""
