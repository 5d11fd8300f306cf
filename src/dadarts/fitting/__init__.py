"""From pictures to a trained network within minutes: candidates race, the winner is trained, all is reported."""
