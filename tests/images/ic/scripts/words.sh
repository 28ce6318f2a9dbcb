say() {
    echo "$1" > /etc/fitted.d/script
}
