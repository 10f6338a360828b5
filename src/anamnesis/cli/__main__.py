"""`python -m anamnesis.cli`, which is the `anamnesis` command."""

from anamnesis.cli import main

if __name__ == "__main__":
    main()
