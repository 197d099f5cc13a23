#compdef perkie

_perkie_completion() {
  eval $(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _PERKIE_COMPLETE=complete_zsh perkie)
}

compdef _perkie_completion perkie

