def write(docs, results): pass
