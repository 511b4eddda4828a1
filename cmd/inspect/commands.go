package main

// commands are all that inspect can do, in the order of its help.
var commands = []command{}
