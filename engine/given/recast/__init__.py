"""Given examples in another form, so that losses which read other rows learn from the same documents."""
