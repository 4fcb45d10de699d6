"""How a series moves: a straight line through it, with how sure its slope is, and how much it swings."""
import math
from collections import namedtuple

# `low` and `high`: the slope's 95 % confidence interval, by Student's t.
Slope = namedtuple("Slope", "value low high")

# The 0.975 quantile of Student's t by degrees of freedom, from 1; the normal one beyond.
T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
     2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042)  # fmt: skip
NORMAL = 1.960


def slope(groups):
    """The common slope of groups of (x, y), each with a level of its own. None where there is too little.

    One group is the ordinary line. More: analysis of covariance, that is, least squares with one slope and a
    constant for each group.
    """
    groups = [group for group in groups if len(group) > 1]
    count = sum(len(group) for group in groups)
    freedom = count - len(groups) - 1
    xx = xy = yy = 0.0
    for group in groups:
        x0 = sum(x for x, _ in group) / len(group)
        y0 = sum(y for _, y in group) / len(group)
        xx += sum((x - x0) ** 2 for x, _ in group)
        xy += sum((x - x0) * (y - y0) for x, y in group)
        yy += sum((y - y0) ** 2 for _, y in group)
    if freedom < 1 or xx == 0:
        return None
    value = xy / xx
    spread = math.sqrt(max(yy - value * xy, 0) / freedom / xx)
    reach = spread * (T[freedom - 1] if freedom <= len(T) else NORMAL)
    return Slope(value, value - reach, value + reach)


def back_and_forth(values):
    """How far a series goes there and back, in means of it: all its steps without what they come to in the end.

    Rising or falling for good is none; each swing of the size of the mean is 2.
    """
    if len(values) < 2:
        return 0
    steps = sum(abs(b - a) for a, b in zip(values, values[1:]))
    level = sum(values) / len(values)
    return (steps - abs(values[-1] - values[0])) / level if level > 0 else 0
