<?php
// As much of a framework's query builder as the snippets of docs/backend-frameworks.md use.
require_once __DIR__ . '/db.php';

class Query
{
    private $table;
    private $where = [];

    public function __construct($table)
    {
        $this->table = $table;
    }

    public function field($columns)
    {
        return $this;
    }

    public function where($column, $value = null)
    {
        foreach (is_array($column) ? $column : [$column => $value] as $name => $v) {
            $this->where[$name] = $v;
        }
        return $this;
    }

    private function run($sql, array $values)
    {
        $conditions = $this->where ? ' WHERE ' . implode(' AND ', array_map(function ($name) { return "$name = ?"; }, array_keys($this->where))) : '';
        $statement = $GLOBALS['db']->prepare($sql . $conditions);
        $statement->execute(array_merge($values, array_values($this->where)));
        return $statement;
    }

    public function find()
    {
        return $this->run("SELECT * FROM $this->table", [])->fetch(PDO::FETCH_ASSOC) ?: null;
    }

    public function first($columns)
    {
        $row = $this->run('SELECT ' . implode(', ', $columns) . " FROM $this->table", [])->fetch(PDO::FETCH_OBJ);
        return $row ?: null;
    }

    public function exists()
    {
        return $this->find() !== null;
    }

    public function update(array $set)
    {
        return $this->run("UPDATE $this->table SET " . implode(', ', array_map(function ($name) { return "$name = ?"; }, array_keys($set))), array_values($set))->rowCount();
    }

    public function insert(array $row)
    {
        $marks = implode(', ', array_fill(0, count($row), '?'));
        return $this->run("INSERT INTO $this->table (" . implode(', ', array_keys($row)) . ") VALUES ($marks)", array_values($row));
    }
}

function transaction($do)
{
    global $db;
    $db->beginTransaction();
    try {
        $result = $do();
        $db->commit();
        return $result;
    } catch (Exception $e) {
        $db->rollBack();
        throw $e;
    }
}

function sent($name)
{
    $name = 'HTTP_' . strtr(strtoupper($name), '-', '_');
    return isset($_SERVER[$name]) ? $_SERVER[$name] : null;
}

class Answer extends Exception // what ends a request
{
    public $type = 'text/html';

    public function __construct($text, $status)
    {
        parent::__construct($text, $status);
    }

    public static function json($value)
    {
        $answer = new Answer(json_encode($value), 200);
        $answer->type = 'application/json';
        return $answer;
    }
}

function answer($do)
{
    try {
        $result = $do();
    } catch (Answer $e) {
        $result = $e;
    }
    $result = $result instanceof Answer ? $result : new Answer($result, 200);
    http_response_code($result->getCode());
    header("Content-Type: $result->type");
    echo $result->getMessage();
}
