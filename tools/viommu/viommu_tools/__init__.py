# SPDX-License-Identifier: GPL-2.0-or-later
"""
viommu-top and viommu-report: views of what query-viommu and its like say.

    link     QMP: to ask, and to hear of events
    rates    what happened between two answers (pure)
    words    numbers, times and strings for people (pure)
    news     faults and events as they come (pure)
    pages    the screen as lines of text (pure)
    watch    one answer after the other, with what happened between them
    top      the terminal
    record   a recording: to make one, and to read it
    chart    pictures (pure)
    report   an HTML page of a recording
"""
