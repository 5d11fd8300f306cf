"""``python -m dadarts.engines.native`` compiles the kernels now, so that the first search need not."""

from dadarts.engines.native import NoCompilerError, library

if __name__ == "__main__":
    try:
        library()
    except NoCompilerError as error:
        print(f"{error}: searches will compute with torch's own operations, about half as fast")
