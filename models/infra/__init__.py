"""Settings, connections and the small facts every process shares. Imports nothing above itself."""
