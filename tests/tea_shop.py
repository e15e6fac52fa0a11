"""The smallest source that the tests of the refresh share: a tea shop's orders as CSV files."""

MAPPING = """
source: shop
title: A tea shop
time_zone: Asia/Shanghai
currency: CNY
delivers: orders
entities:
  order_lines:
    files: orders*.csv
    columns:
      order_id: order
      customer_id: customer
      product_id: product
      ordered_at: ordered at
      quantity: quantity
      unit_price: price
"""
HEADER = "order,customer,product,ordered at,quantity,price\n"
