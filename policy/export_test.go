package policy

// AttributeNames are the attributes in the order of the schema.
func AttributeNames() []string {
	var names []string
	for _, variable := range [...]string{"principal", "resource", "context"} {
		names = append(names, attributesOf(variable)...)
	}
	return names
}
