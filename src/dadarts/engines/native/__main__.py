"""``python -m dadarts.engines.native`` compiles all native code now, so that no first use need."""

from dadarts.engines.inference import SOURCE
from dadarts.engines.native import NoCompilerError, library

if __name__ == "__main__":
    try:
        library()
        library(SOURCE)
    except NoCompilerError as error:
        print(f"{error}: searches will compute with torch's own operations, about half as fast")
