"""``python -m dadarts.native`` compiles the kernels now, so that the first search need not."""

from dadarts.native import NoCompilerError, library

if __name__ == "__main__":
    try:
        library()
    except NoCompilerError as error:
        print(f"{error}: searches will compute with torch's own operations, about half as fast")
