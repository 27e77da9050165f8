# number.pyx - numbers that a program gives, as floats: seconds, times, priorities.
#
# Threads: any.

cdef double float_of(object number, str name, str takes) except? -1.0:
    # The error for what is none begins with `name` and `takes`, which say what is allowed.
    cdef double value
    if type(number) is float:
        value = <double>number
    elif type(number) is bool or not (hasattr(number, "__float__") or hasattr(number, "__index__")):
        raise TypeError(f"{name}{takes}, got {number!r} of type {type(number).__name__}")
    else:
        try:
            value = float(number)
        except OverflowError:
            raise ValueError(f"{name}{takes}, up to 1.8e308, or math.inf; got {large_number(number)}") from None
    if value != value:
        raise ValueError(f"{name}{takes}, not NaN")
    return value


cdef str large_number(object number):
    # Not its digits: there may be thousands, and Python refuses to print more.
    if isinstance(number, int):
        return f"a whole number of {number.bit_length()} bits"
    return f"a {type(number).__name__} beyond it"


def number_as_float(number, str name, str takes):
    """``number`` as a float. TypeError for none and for a bool, ValueError for NaN and for what no float can hold.

    ``name`` and ``takes`` begin the error: ``"timeout", " is a number of seconds"``.
    """
    return float_of(number, name, takes)
