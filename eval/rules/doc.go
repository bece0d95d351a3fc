// Package rules holds the rules by which people find memory leaks today, behind
// one small interface, so that they can be scored on the data that the detector
// is scored on. Samples enter, yes or no leaves. Each rule is written as its
// users run it: no rule is given a chance that it does not have in the field,
// nor one less.
package rules
