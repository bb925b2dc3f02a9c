"""Does it help? The recognition study: arms, their networks, tables with intervals, a ledger of claims."""
