"""``python -m perkie_cli``."""

from perkie_cli.cli.main import main

if __name__ == "__main__":
    main()
