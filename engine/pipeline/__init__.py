"""What a run is: `config.py` says what it can be told, `steps.py` lists its steps, with a file for each kind of run."""
