"""What people read: reports, sites, tables, plots, and the sentences in them."""
