"""The comparison of all experiments: a leaderboard, charts, samples, and the page that holds them."""
