"""What each system is run by: files, each started with the Python of an environment that has the system.

They stand apart, since the folder of a started file comes first among those that modules are found in.
"""
