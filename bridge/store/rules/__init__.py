"""Rules that hold in every engine: which id an event gets, which event it repeats. Nothing here reads a store."""
