"""Whether a model loads, trains, resumes, fuses, reloads, generates and exports: by doing it."""
