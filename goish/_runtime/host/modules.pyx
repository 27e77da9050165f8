# modules.pyx - goish's own modules: where their files are, and the names that their exports bear.
#
# Threads: the one that imports goish.

def set_own_files(str directory, str beginning):
    """Says where the package's own modules are, which give work to threads for their callers, and in which file workers begin.

    ``directory`` ends with a separator.
    """
    goish_know_own_files(<PyObject*>directory, <PyObject*>beginning)


def publish_module(module):
    """Makes each object that a public module exports name that module as its own, unless ``goish`` exports it too."""
    for name in module.__all__:
        exported = getattr(module, name)
        if module.__name__ != "goish" and getattr(exported, "__module__", None) == "goish":
            continue
        if getattr(exported, "__name__", None) != name or not isinstance(exported, (type, FunctionType, BuiltinFunctionType)):
            continue
        if not isinstance(exported, type) or goish_is_heap_type(<PyObject*>exported):
            exported.__module__ = module.__name__
        else:
            public = f"{module.__name__}.{name}"
            goish_name_type(<PyObject*>exported, <PyObject*>public)
