module beside

go 1.22
