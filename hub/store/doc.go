// Package store says what the hub must not forget and how it is asked for:
// readings, instances with their last verdict, alerts with their logs, and the
// descriptions of captures (their bytes lie in package blob). Values of the
// vocabulary come in and go out; a store decides nothing about them.
//
// Two places keep them: package sqlite in one embedded file, for one hub;
// package postgres in a PostgreSQL database, for any number of hubs at
// once. Both pass the suite in package storetest.
//
// Which readings stay when not all can, in an answer or as they grow old, is the
// same for both and is told here (Thinner, Coarsen); how readings become few
// bytes is package chunk.
package store
