"""What comparing model releases needs: metrics, paired intervals, splits of the weeks."""
