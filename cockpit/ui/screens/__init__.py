"""The screens: they read and act through cockpit.system, in workers, and feed the widgets."""
