"""Search for inputs on which two models disagree (TriggerFinder, also called DFLARE)."""
