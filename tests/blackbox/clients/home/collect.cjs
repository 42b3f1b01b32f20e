setInterval(globalThis.gc, 100).unref()
