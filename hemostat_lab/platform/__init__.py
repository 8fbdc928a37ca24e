"""The lab's platform: it keeps the shop's processes, and does what operators and the release pipeline ask.

Two doors lead to it. The *operations* door (loopback HTTP, its own token) can restart, isolate and roll back:
that is what plans call. The *release* door (a Unix socket in a private folder, another token) can deploy.
Neither can "end a fault": nothing of that kind exists here. A service heals because its process is started
again, or because its former code is.
"""
