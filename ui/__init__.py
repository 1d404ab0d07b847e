"""The page that shows both stages of a search: plain ES modules, styles and one HTML file, as they are served.

No build step, no library, no other host. `page.js` starts it; `server/http/page.py` serves it.
"""
