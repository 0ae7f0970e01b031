package mail

var Report = report
