"""What the shop sells: 200 products, made up, the same every time. Of `p13` there is none left."""

KINDS = ("lamp", "chair", "table", "shelf", "clock", "mirror", "carpet", "vase")
COLOURS = ("red", "green", "blue", "white", "black", "oak", "brass", "grey", "sand", "rose")
NONE_LEFT = "p13"

ALL = [
    {
        "id": f"p{number}",
        "name": f"{COLOURS[number % len(COLOURS)]} {KINDS[number % len(KINDS)]} no. {number}",
        "cents": 500 + number * 37 % 9500,
        "stock": 0 if f"p{number}" == NONE_LEFT else 1_000_000,
    }
    for number in range(1, 201)
]
