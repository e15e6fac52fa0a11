"""A list of products for each customer: purchases in, ranked products with their reasons out."""
