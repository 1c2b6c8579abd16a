"""Studies of the text behind the models: what it is worth, which encoder reads it, how far wordings move it.

A study chooses and explains; it is not the report of a model release. None reads the test period: data are cut at
`inputs.LAST_WEEK` before anything else is done with them.
"""
