"""``python -m goish`` prints what a bug report needs."""

from goish import build_info

if __name__ == "__main__":
    print(build_info())
