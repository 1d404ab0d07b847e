"""What commands share: settings from flags, environment and TOML; tables, colours and progress. Knows no command."""
