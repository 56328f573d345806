"""Models of graphs: the query and the item are nodes of one numbering."""
